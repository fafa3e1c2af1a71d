(* The network at a homogeneous integer point, in integers over one denominator: Lemma 1. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool.
From Exactcam Require Import Plane Polygon Network.
Import ListNotations.
Open Scope Z_scope.

Definition store := list (Z * list Z).     (* denominator, entries over denominator * w *)
(* half of a network's values are zero, often for a whole batch of vertices *)
Definition madd (acc a y : Z) : Z := if y =? 0 then acc else acc + a * y.
Lemma madd_ok acc a y : madd acc a y = acc + a * y.
Proof. unfold madd. destruct (Z.eqb_spec y 0); [subst; ring | reflexivity]. Qed.
Fixpoint dotZ (acc : Z) (m : row) (x : list Z) : Z :=
  match m with
  | [] => acc
  | (gap, a) :: m' => match skipn gap x with y :: x' => dotZ (madd acc a y) m' x' | [] => acc end
  end.
Fixpoint vaddZ (x y : list Z) : list Z :=
  match x, y with a :: x', b :: y' => a + b :: vaddZ x' y' | _, _ => [] end.
Definition scaleZ (f z : Z) : Z := if f =? 1 then z else f * z.
(* products and sums that skip zeros and ones *)
Definition smul (a z : Z) : Z := if a =? 0 then 0 else if a =? 1 then z else a * z.
Definition sadd (z t : Z) : Z := if t =? 0 then z else if z =? 0 then t else z + t.
Definition ssub (z t : Z) : Z := if t =? 0 then z else z - t.
Lemma smul_ok a z : smul a z = a * z.
Proof. unfold smul. destruct (Z.eqb_spec a 0); [subst; reflexivity|]. destruct (Z.eqb_spec a 1); [subst; ring | reflexivity]. Qed.
Lemma sadd_ok z t : sadd z t = z + t.
Proof. unfold sadd. destruct (Z.eqb_spec t 0); [subst; ring|]. destruct (Z.eqb_spec z 0); [subst; ring | reflexivity]. Qed.
Lemma ssub_ok z t : ssub z t = z - t.
Proof. unfold ssub. destruct (Z.eqb_spec t 0); [subst; ring | reflexivity]. Qed.
Definition at_src (k : nat) (st : store) := nth k st (1, []).
Definition lcms (src : list (nat * list row)) (st : store) : Z :=
  fold_right (fun km d => Z.lcm (fst (at_src (fst km) st)) d) 1 src.
Definition affmapZ (Dw : Z) (m : affmap) (z : Z) := sadd (smul (fst m) z) (smul (snd m) Dw).
Fixpoint plZ (Dw : Z) (m : affmap) (r : list ((Z * positive) * affmap)) (z : Z) : Z :=
  match r with
  | [] => affmapZ Dw m z
  | (t, m') :: r' => if smul (Zpos (snd t)) z <=? smul (fst t) Dw then affmapZ Dw m z else plZ Dw m' r' z
  end.
Fixpoint pwZ (Dw : Z) (us : list plf) (x : list Z) : list Z :=
  match us, x with u :: us', z :: x' => plZ Dw (first u) (rest u) z :: pwZ Dw us' x' | _, _ => [] end.
Fixpoint pw_obsZ (Dw : Z) (us : list plf) (x : list Z) : list Z :=
  match us, x with u :: us', z :: x' => map (fun t => ssub (smul (Zpos (snd t)) z) (smul (fst t) Dw)) (knots u) ++ pw_obsZ Dw us' x' | _, _ => [] end.
Fixpoint maxlZ (a : Z) (l : list Z) : Z := match l with [] => a | b :: t => Z.max a (maxlZ b t) end.
Definition maxiZ (l : list Z) : Z := match l with [] => 0 | a :: t => maxlZ a t end.
Definition membersZ (x : list Z) (g : list nat) := map (fun i => nth i x 0) g.

Definition valueZ (n : node) (w : Z) (st : store) : Z * list Z :=
  match n with
  | Affine src bias s =>
      let D := lcms src st in let Dw := D * w in
      (D * Zpos s,
       fold_right (fun km acc => let '(Dk, zs) := at_src (fst km) st in let f := D / Dk in
                     vaddZ (map (fun r => scaleZ f (dotZ 0 r zs)) (snd km)) acc) (map (fun b => b * Dw) bias) src)
  | Pointwise k s us => let '(D, zs) := at_src k st in (D * Zpos s, pwZ (D * w) us zs)
  | Max k gs => let '(D, zs) := at_src k st in (D, map (fun g => maxiZ (membersZ zs g)) gs)
  end.
Definition obsZ (n : node) (w : Z) (st : store) : list Z :=
  match n with Pointwise k s us => let '(D, zs) := at_src k st in pw_obsZ (D * w) us zs | _ => [] end.
Definition grpZ (n : node) (w : Z) (st : store) : list (list Z) :=
  match n with
  | Max k gs => let '(D, zs) := at_src k st in
      map (fun g => let ms := membersZ zs g in let h := maxiZ ms in map (fun m => m - h) ms) gs
  | _ => [] end.
Fixpoint observedZ (N : net) (w : Z) (st : store) : list Z * list (list Z) :=
  match N with
  | [] => ([], [])
  | n :: N' => let '(o, g) := observedZ N' w (valueZ n w st :: st) in (obsZ n w st ++ o, grpZ n w st ++ g)
  end.
Definition hpt := (Z * Z * Z)%type.
Definition inputZ (rows : list (Z * Z * Z)) (h : hpt) : list Z :=
  let '(x, y, w) := h in map (fun r => let '(a, b, c) := r in a * x + b * y + c * w) rows.

(* ---------- it is the real network *)
Open Scope R_scope.
Definition rel (Dw : R) (zs : list Z) (xs : vec) := Forall2 (fun z x => IZR z = Dw * x) zs xs.
Definition relst (w : Z) (st : store) (xs : list vec) :=
  Forall2 (fun Dz x => (0 < fst Dz)%Z /\ rel (IZR (fst Dz) * IZR w) (snd Dz) x) st xs.

Lemma rel_nth_st w st xs k : relst w st xs ->
  (0 < fst (at_src k st))%Z /\ rel (IZR (fst (at_src k st)) * IZR w) (snd (at_src k st)) (nth k xs []).
Proof.
  intros H. revert k. unfold at_src. induction H as [|Dz x st xs H _ IH]; intros k.
  - destruct k; simpl; split; try lia; constructor.
  - destruct k; simpl; [exact H | apply IH].
Qed.
Lemma rel_skipn Dw zs xs : rel Dw zs xs -> forall g, rel Dw (skipn g zs) (skipn g xs).
Proof. intros H. induction H as [|z x zs xs E H IH]; intros [|g]; simpl; try constructor; auto; apply IH. Qed.
Lemma rel_dot Dw m : forall zs xs acc, rel Dw zs xs -> IZR (dotZ acc m zs) = IZR acc + Dw * dot m xs.
Proof.
  induction m as [|[g a] m IH]; intros zs xs acc H; simpl; [ring|]. pose proof (rel_skipn _ _ _ H g) as K.
  inversion K as [|z x zs' xs' E K' E1 E2]; subst; [ring|]. rewrite (IH _ _ _ K'), madd_ok, plus_IZR, mult_IZR, E. ring.
Qed.
Lemma rel_vadd Dw xs ys zs ts : rel Dw zs xs -> rel Dw ts ys -> rel Dw (vaddZ zs ts) (vadd xs ys).
Proof.
  intros H. revert ts ys. induction H as [|z x zs xs H _ IH]; intros ts ys K; [constructor|].
  inversion K; subst; simpl; constructor; [rewrite plus_IZR, H, H0; ring | apply IH; assumption].
Qed.
Lemma lcms_pos w st xs src : relst w st xs -> (0 < lcms src st)%Z.
Proof.
  intros H. unfold lcms. induction src as [|[k M] src IH]; simpl; [lia|].
  pose proof (proj1 (rel_nth_st w st xs k H)) as P0.
  assert (Z.lcm (fst (at_src k st)) (fold_right (fun km d => Z.lcm (fst (at_src (fst km) st)) d) 1%Z src) <> 0)%Z.
  { intros E. apply Z.lcm_eq_0 in E. lia. }
  pose proof (Z.lcm_nonneg (fst (at_src k st)) (fold_right (fun km d => Z.lcm (fst (at_src (fst km) st)) d) 1%Z src)). lia.
Qed.
Lemma lcms_div st src km : In km src -> (fst (at_src (fst km) st) | lcms src st)%Z.
Proof.
  unfold lcms. induction src as [|x src IH]; simpl; [tauto|]. intros [<-|I]; [apply Z.divide_lcm_l|].
  eapply Z.divide_trans; [apply IH, I | apply Z.divide_lcm_r].
Qed.
Lemma rel_affine w st xs src bias : relst w st xs -> forall D, (0 < D)%Z -> (forall km, In km src -> (fst (at_src (fst km) st) | D)%Z) ->
  rel (IZR D * IZR w)
   (fold_right (fun km acc => let '(Dk, zs) := at_src (fst km) st in let f := (D / Dk)%Z in
                     vaddZ (map (fun r => scaleZ f (dotZ 0 r zs)) (snd km)) acc) (map (fun b => b * (D * w))%Z bias) src)
   (fold_right (fun km acc => vadd (map (fun r => dot r (nth (fst km) xs [])) (snd km)) acc) (map IZR bias) src).
Proof.
  intros H D PD. induction src as [|[k M] src IH]; intros Dv; simpl.
  - induction bias as [|b bias IHb]; simpl; constructor; [rewrite !mult_IZR; ring | exact IHb].
  - destruct (rel_nth_st w st xs k H) as [Pk Rk]. pose proof (Dv (k, M) (or_introl eq_refl)) as Q. simpl in Q.
    destruct (at_src k st) as [Dk zs]. simpl in Pk, Rk, Q.
    apply rel_vadd; [|apply IH; intros; apply Dv; simpl; auto].
    destruct Q as [f E]. assert (Ef : (D / Dk)%Z = f) by (rewrite E; apply Z.div_mul; lia). rewrite Ef.
    induction M as [|r M IHM]; simpl; constructor.
    + assert (X : IZR (scaleZ f (dotZ 0 r zs)) = IZR f * IZR (dotZ 0 r zs)).
      { unfold scaleZ. destruct (f =? 1)%Z eqn:E1; [apply Z.eqb_eq in E1; subst; ring | apply mult_IZR]. }
      rewrite X, (rel_dot _ _ _ _ _ Rk), E, mult_IZR. ring.
    + apply IHM. intros km [<-|I]; [apply (Dv (k, r :: M)); left; reflexivity | apply Dv; right; exact I].
Qed.
Lemma rel_pl Dw s z x r : 0 < IZR Dw -> IZR z = IZR Dw * x -> forall m, IZR (plZ Dw m r z) = IZR Dw * IZR (Zpos s) * pl s m r x.
Proof.
  intros P0 E. assert (A : forall m, IZR (affmapZ Dw m z) = IZR Dw * IZR (Zpos s) * app_aff s m x).
  { intros m. unfold affmapZ, app_aff. rewrite sadd_ok, !smul_ok, plus_IZR, !mult_IZR, E. field. apply Rgt_not_eq, pos_IZR. }
  induction r as [|[t m'] r IH]; intros m; cbn [plZ pl]; [apply A|]. rewrite !smul_ok.
  assert (X : (Zpos (snd t) * z <=? fst t * Dw)%Z = true <-> x <= brk t).
  { rewrite Z.leb_le. unfold brk. pose proof (pos_IZR (snd t)) as Q. split; intros L.
    - apply IZR_le in L. rewrite !mult_IZR, E in L. apply Rmult_le_reg_l with (IZR Dw * IZR (Zpos (snd t))); [nra|].
      replace (IZR Dw * IZR (Zpos (snd t)) * (IZR (fst t) / IZR (Zpos (snd t)))) with (IZR (fst t) * IZR Dw) by (field; lra). lra.
    - apply le_IZR. rewrite !mult_IZR, E. apply (Rmult_le_compat_l (IZR Dw * IZR (Zpos (snd t)))) in L; [|nra].
      replace (IZR Dw * IZR (Zpos (snd t)) * (IZR (fst t) / IZR (Zpos (snd t)))) with (IZR (fst t) * IZR Dw) in L by (field; lra). lra. }
  destruct (Zpos (snd t) * z <=? fst t * Dw)%Z, (Rle_dec x (brk t)) as [L|L].
  - apply A.
  - exfalso; apply L, X; reflexivity.
  - exfalso. apply X in L. discriminate.
  - apply IH.
Qed.
Lemma rel_pw Dw s us : 0 < IZR Dw -> forall zs xs, rel (IZR Dw) zs xs -> rel (IZR Dw * IZR (Zpos s)) (pwZ Dw us zs) (pw s us xs).
Proof.
  intros P0. induction us as [|u us IH]; intros zs xs H; [constructor|].
  inversion H; subst; simpl; constructor; [apply rel_pl; assumption | apply IH; assumption].
Qed.
Definition same (z : Z) (o : R) := ((0 < z)%Z <-> 0 < o) /\ ((z < 0)%Z <-> o < 0).
Lemma same_scale z o k : 0 < k -> IZR z = k * o -> same z o.
Proof.
  intros K E. unfold same. repeat split; intros H.
  - apply IZR_lt in H. rewrite E in H. nra.
  - apply lt_IZR. rewrite E. nra.
  - apply IZR_lt in H. rewrite E in H. nra.
  - apply lt_IZR. rewrite E. nra.
Qed.
Lemma rel_pw_obs Dw us : 0 < IZR Dw -> forall zs xs, rel (IZR Dw) zs xs -> Forall2 same (pw_obsZ Dw us zs) (pw_obs us xs).
Proof.
  intros P0. induction us as [|u us IH]; intros zs xs H; [constructor|].
  inversion H as [|z x zs' xs' E H']; subst; cbn [pw_obsZ pw_obs]; [constructor|]. apply Forall2_app; [|apply IH; assumption].
  induction (knots u) as [|t ts IHt]; cbn [map]; constructor; [|exact IHt].
  apply same_scale with (IZR (Zpos (snd t)) * IZR Dw); [pose proof (pos_IZR (snd t)); nra|].
  rewrite ssub_ok, !smul_ok. replace (IZR (Z.pos (snd t) * z - fst t * Dw)) with (IZR (Zpos (snd t)) * IZR z - IZR (fst t) * IZR Dw) by (rewrite minus_IZR, !mult_IZR; reflexivity).
  rewrite E. unfold brk. field. apply Rgt_not_eq, pos_IZR.
Qed.
Lemma rel_nth Dw zs xs i : rel Dw zs xs -> IZR (nth i zs 0%Z) = Dw * nth i xs 0.
Proof.
  intros H. revert i. induction H as [|z x zs xs H _ IH]; intros [|i]; simpl; try ring; auto.
Qed.
Lemma rel_members Dw zs xs g : rel Dw zs xs -> rel Dw (membersZ zs g) (members xs g).
Proof. intros H. induction g as [|i g IH]; simpl; constructor; [apply rel_nth, H | exact IH]. Qed.
Lemma rel_maxl Dw zs xs : 0 < Dw -> rel Dw zs xs -> forall z x, IZR z = Dw * x -> IZR (maxlZ z zs) = Dw * maxl x xs.
Proof.
  intros P0. induction 1 as [|z' x' zs xs H _ IH]; intros z x E; simpl; [exact E|].
  specialize (IH z' x' H). rewrite <- RmaxRmult by lra. rewrite <- E, <- IH.
  unfold Rmax. destruct (Rle_dec (IZR z) (IZR (maxlZ z' zs))) as [L|L].
  - apply le_IZR in L. rewrite Z.max_r by exact L. reflexivity.
  - rewrite Z.max_l; [reflexivity|]. apply Rnot_le_lt, lt_IZR in L. lia.
Qed.
Lemma rel_maxi Dw zs xs : 0 < Dw -> rel Dw zs xs -> IZR (maxiZ zs) = Dw * maxi xs.
Proof. intros P0 H. destruct H; simpl; [ring | apply rel_maxl; assumption]. Qed.

Lemma rel_div D w s zs xs : rel (IZR D * IZR w) zs xs ->
  rel (IZR (D * Zpos s) * IZR w) zs (map (fun y => y / IZR (Zpos s)) xs).
Proof.
  intros X. induction X as [|z x zs xs E _ IH]; cbn [map]; constructor; [|exact IH].
  rewrite E, mult_IZR. field. apply Rgt_not_eq, pos_IZR.
Qed.
Lemma rel_value n w st xs : (0 < w)%Z -> relst w st xs ->
  (0 < fst (valueZ n w st))%Z /\ rel (IZR (fst (valueZ n w st)) * IZR w) (snd (valueZ n w st)) (value n xs).
Proof.
  intros W H. destruct n as [src bias s|k s us|k gs]; simpl.
  - pose proof (lcms_pos w st xs src H) as PD. split; [lia|].
    apply rel_div. apply rel_affine; [exact H | exact PD | intros; apply lcms_div; assumption].
  - destruct (rel_nth_st w st xs k H) as [Pk Rk]. destruct (at_src k st) as [D zs]; simpl in *. split; [lia|].
    rewrite <- mult_IZR in Rk. assert (0 < IZR (D * w)) by (apply IZR_lt; nia).
    pose proof (rel_pw (D * w) s us H0 _ _ Rk) as X. rewrite !mult_IZR in *.
    replace (IZR D * IZR (Z.pos s) * IZR w) with (IZR D * IZR w * IZR (Z.pos s)) by ring. exact X.
  - destruct (rel_nth_st w st xs k H) as [Pk Rk]. destruct (at_src k st) as [D zs]; simpl in *. split; [lia|].
    assert (0 < IZR D * IZR w). { apply Rmult_lt_0_compat; apply IZR_lt; assumption. }
    induction gs as [|g gs IH]; simpl; constructor; [|exact IH]. apply rel_maxi; [assumption | apply rel_members, Rk].
Qed.
Lemma rel_obs n w st xs : (0 < w)%Z -> relst w st xs -> Forall2 same (obsZ n w st) (obs n xs).
Proof.
  intros W H. destruct n as [src bias s|k s us|k gs]; simpl; try constructor.
  destruct (rel_nth_st w st xs k H) as [Pk Rk]. destruct (at_src k st) as [D zs]; simpl in *.
  rewrite <- mult_IZR in Rk. apply rel_pw_obs; [apply IZR_lt; nia | exact Rk].
Qed.
Lemma rel_grp n w st xs : (0 < w)%Z -> relst w st xs -> Forall2 (Forall2 same) (grpZ n w st) (grp n xs).
Proof.
  intros W H. destruct n as [src bias s|k s us|k gs]; simpl; try constructor.
  destruct (rel_nth_st w st xs k H) as [Pk Rk]. destruct (at_src k st) as [D zs]; simpl in *.
  assert (P0 : 0 < IZR D * IZR w). { apply Rmult_lt_0_compat; apply IZR_lt; assumption. }
  induction gs as [|g gs IH]; simpl; constructor; [|exact IH].
  pose proof (rel_members _ _ _ g Rk) as M. pose proof (rel_maxi _ _ _ P0 M) as X.
  generalize dependent (maxiZ (membersZ zs g)). generalize dependent (maxi (members (nth k xs []) g)).
  intros h z E. induction M as [|a b as_ bs Ea _ IHM]; simpl; constructor; [|exact IHM].
  apply same_scale with (IZR D * IZR w); [exact P0|]. rewrite minus_IZR, Ea, E. ring.
Qed.
Theorem rel_observed N w : (0 < w)%Z -> forall st xs, relst w st xs ->
  Forall2 same (fst (observedZ N w st)) (observed N xs) /\ Forall2 (Forall2 same) (snd (observedZ N w st)) (grouped N xs).
Proof.
  intros W. induction N as [|n N IH]; intros st xs H; simpl; [split; constructor|].
  destruct (IH (valueZ n w st :: st) (value n xs :: xs)) as [A B].
  { constructor; [apply rel_value; assumption | exact H]. }
  destruct (observedZ N w (valueZ n w st :: st)) as [o g]; simpl in *.
  split; apply Forall2_app; auto; [apply rel_obs | apply rel_grp]; assumption.
Qed.
Definition hp (h : hpt) : pt := let '(x, y, w) := h in P (IZR x / IZR w) (IZR y / IZR w).
Definition hw (h : hpt) : Z := snd h.
Lemma rel_input rows d h : (0 < hw h)%Z -> relst (hw h) [(Zpos d, inputZ rows h)] [input rows d (hp h)].
Proof.
  destruct h as [[x y] w]; simpl. intros W. constructor; [|constructor]. simpl. split; [lia|].
  induction rows as [|[[a b] c] rows IH]; simpl; constructor; [|exact IH].
  rewrite !plus_IZR, !mult_IZR. field. split; apply Rgt_not_eq, IZR_lt; lia.
Qed.
